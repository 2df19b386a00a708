-- Parts of less than 16 MiB (before compression) keep all their columns in one file: those of an insert, which with
-- ClickHouse's own 10 MB made two files of each column of many spans, synced one by one. Larger ones, which are read for
-- long, have files for each column: merges of large parts in one file took two gigabytes of memory.
ALTER TABLE calls MODIFY SETTING min_bytes_for_wide_part = 16777216;
ALTER TABLE facts MODIFY SETTING min_bytes_for_wide_part = 16777216;
ALTER TABLE otel_traces MODIFY SETTING min_bytes_for_wide_part = 16777216;
