"""The tool runtimes whose executions become spans without a decorator.

One file a runtime says where it runs tools and what is about to run (:class:`~.runtime.ToolRuntime`);
:mod:`.watching` puts the spans there, when and if the application imports the runtime.
"""
