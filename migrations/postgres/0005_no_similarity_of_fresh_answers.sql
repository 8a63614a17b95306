-- breaking: older programs read a column that is dropped here
ALTER TABLE "promptintern"."evaluations" DROP COLUMN "upstream_similarity";