-- Parts are merged when there are more of a size, as each merge of a row costs about as much as its insert. With
-- ClickHouse's own base of 5 a stream of inserts had rows merged four times and more: every few of its parts, which are
-- small when compressed, took a part with all rows of the last minutes along. Parts that grow old are merged anyway.
ALTER TABLE calls MODIFY SETTING merge_selector_base = 10;
ALTER TABLE facts MODIFY SETTING merge_selector_base = 16;
ALTER TABLE otel_traces MODIFY SETTING merge_selector_base = 16;
