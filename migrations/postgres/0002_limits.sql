-- breaking: proxies that do not know slices would not see the money that others hold
CREATE TABLE "promptintern"."key_accounts" (
	"key_id" text PRIMARY KEY NOT NULL,
	"requests" double precision,
	"tokens" double precision,
	"filled_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "promptintern"."key_slices" (
	"key_id" text NOT NULL,
	"holder" text NOT NULL,
	"usd" double precision NOT NULL,
	"renewed_at" bigint NOT NULL,
	CONSTRAINT "key_slices_key_id_holder_pk" PRIMARY KEY("key_id","holder")
);
