-- Parts of less than 64 MiB (before compression) keep all their columns in one file. With ClickHouse's own 10 MB an
-- insert of 50,000 spans made two files of each of a hundred columns, synced one by one, which took a fifth of the time
-- of a span and more where the disk is slow. Parts that are read for long are larger, and have a file a column.
ALTER TABLE calls MODIFY SETTING min_bytes_for_wide_part = 67108864;
ALTER TABLE facts MODIFY SETTING min_bytes_for_wide_part = 67108864;
ALTER TABLE otel_traces MODIFY SETTING min_bytes_for_wide_part = 67108864;
