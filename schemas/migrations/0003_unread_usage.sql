-- Attributes of a span that look like token counts or costs and that no dialect reads, comma-separated: a new dialect
-- shows itself by them. On spans of no dialect too, which otherwise are no facts.
ALTER TABLE facts ADD COLUMN IF NOT EXISTS unread_usage_attributes LowCardinality(String) DEFAULT '';
