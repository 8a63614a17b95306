-- breaking: workers that do not know leases would work beside those that do
CREATE TABLE "promptintern"."leases" (
	"name" text PRIMARY KEY NOT NULL,
	"epoch" bigint NOT NULL,
	"holder" text NOT NULL,
	"ends_at" timestamp with time zone NOT NULL
);
