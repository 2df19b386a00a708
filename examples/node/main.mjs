// A Node program whose LLM calls appear in spanledger's tables: nothing of spanledger's is needed here, only the
// official OpenTelemetry SDK and the attributes of its GenAI conventions.
//
//   npm install
//   OPENAI_API_KEY=... node main.mjs "What is the capital of France?"
//
// OTEL_EXPORTER_OTLP_ENDPOINT names the collector (http://localhost:4318 by default), OPENAI_BASE_URL the provider.

import { SpanKind, SpanStatusCode } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { defaultResource, resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";

const baseUrl = new URL(process.env.OPENAI_BASE_URL ?? "https://api.openai.com/v1");
const model = "gpt-4o-mini";
const prompt = process.argv[2] ?? "What is the capital of France?";

const provider = new TracerProvider({
  resource: defaultResource().merge(resourceFromAttributes({ "service.name": "node-example" })),
  spanProcessors: [new BatchSpanProcessor({ exporter: new OTLPTraceExporter() })],
});
const tracer = provider.getTracer("node-example");

async function chat() {
  const span = tracer.startSpan(`chat ${model}`, {
    kind: SpanKind.CLIENT,
    attributes: {
      "gen_ai.operation.name": "chat",
      "gen_ai.provider.name": "openai",
      "gen_ai.request.model": model,
      "server.address": baseUrl.hostname,
      "spanledger.task": "node-example",
      "spanledger.team": "web",
    },
  });
  try {
    const response = await fetch(`${baseUrl}/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${process.env.OPENAI_API_KEY}` },
      body: JSON.stringify({ model, messages: [{ role: "user", content: prompt }] }),
    });
    if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
    const answer = await response.json();
    span.setAttributes({
      "gen_ai.response.id": answer.id,
      "gen_ai.response.model": answer.model,
      "gen_ai.usage.input_tokens": answer.usage.prompt_tokens,
      "gen_ai.usage.output_tokens": answer.usage.completion_tokens,
      "gen_ai.usage.cache_read.input_tokens": answer.usage.prompt_tokens_details?.cached_tokens ?? 0,
    });
    return answer.choices[0].message.content;
  } catch (error) {
    span.setAttribute("error.type", error.name).setStatus({ code: SpanStatusCode.ERROR });
    throw error;
  } finally {
    span.end();
  }
}

try {
  console.log(await chat());
} finally {
  await provider.shutdown();
}
