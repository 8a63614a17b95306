CREATE TABLE "promptintern"."bodies" (
	"sequence" bigint PRIMARY KEY NOT NULL,
	"day" integer NOT NULL,
	"request_dictionary" bigint,
	"request" "bytea",
	"response_dictionary" bigint,
	"response" "bytea"
);
--> statement-breakpoint
CREATE TABLE "promptintern"."dictionaries" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "promptintern"."dictionaries_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"day" integer NOT NULL,
	"is_retired" boolean DEFAULT false NOT NULL,
	"data" "bytea" NOT NULL
);
--> statement-breakpoint
CREATE TABLE "promptintern"."evaluations" (
	"internalization_id" text NOT NULL,
	"arm" integer NOT NULL,
	"record_id" text NOT NULL,
	"answer" text NOT NULL,
	"logprob_sum" double precision NOT NULL,
	"logprob_min" double precision NOT NULL,
	"long_logprobs" json,
	"agrees" boolean NOT NULL,
	"agrees_today" boolean,
	"deferred" text,
	"upstream_answer" text,
	"second_answer" text,
	"fresh" json,
	"judged" json,
	CONSTRAINT "evaluations_internalization_id_arm_record_id_pk" PRIMARY KEY("internalization_id","arm","record_id")
);
--> statement-breakpoint
CREATE TABLE "promptintern"."feedback" (
	"place" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "promptintern"."feedback_place_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"record_id" text NOT NULL,
	"day" integer NOT NULL,
	"given_by" text NOT NULL,
	"lora" text,
	"answered_by" text NOT NULL,
	"side" text,
	"conversation" text,
	"first_at" bigint,
	"rating" text NOT NULL,
	"comment" text,
	"at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "promptintern"."field_rules" (
	"version" text NOT NULL,
	"path" text NOT NULL,
	"rule" json NOT NULL,
	"by" text NOT NULL,
	"why" text NOT NULL,
	"at" bigint NOT NULL,
	CONSTRAINT "field_rules_version_path_pk" PRIMARY KEY("version","path")
);
--> statement-breakpoint
CREATE TABLE "promptintern"."history" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "promptintern"."history_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"internalization_id" text NOT NULL,
	"at" bigint NOT NULL,
	"from_state" json,
	"to_state" json NOT NULL,
	"caused_by" text NOT NULL,
	"note" text
);
--> statement-breakpoint
CREATE TABLE "promptintern"."internalizations" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant" text NOT NULL,
	"template_version" text NOT NULL,
	"state_name" text NOT NULL,
	"state" json NOT NULL,
	"created_at" bigint NOT NULL,
	"updated_at" bigint NOT NULL,
	"plan" json,
	"record_lists" json,
	"verdict" json,
	"revision" integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE "promptintern"."kept_responses" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant" text NOT NULL,
	"at" bigint NOT NULL,
	"bytes" integer NOT NULL,
	"request" "bytea" NOT NULL,
	"response" "bytea" NOT NULL
);
--> statement-breakpoint
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
--> statement-breakpoint
CREATE TABLE "promptintern"."key_spend" (
	"key_id" text NOT NULL,
	"day" integer NOT NULL,
	"requests" bigint NOT NULL,
	"tokens" double precision NOT NULL,
	"usd" double precision NOT NULL,
	CONSTRAINT "key_spend_key_id_day_pk" PRIMARY KEY("key_id","day")
);
--> statement-breakpoint
CREATE TABLE "promptintern"."keys" (
	"id" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"hash" text NOT NULL,
	"tenant" text NOT NULL,
	"limits" json NOT NULL,
	"created_at" bigint NOT NULL,
	"revoked_at" bigint,
	CONSTRAINT "keys_hash_unique" UNIQUE("hash")
);
--> statement-breakpoint
CREATE TABLE "promptintern"."leases" (
	"name" text PRIMARY KEY NOT NULL,
	"epoch" bigint NOT NULL,
	"holder" text NOT NULL,
	"ends_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "promptintern"."log_end" (
	"id" integer PRIMARY KEY NOT NULL,
	"sequence" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "promptintern"."pairs" (
	"place" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "promptintern"."pairs_place_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"record_id" text,
	"lora" text NOT NULL,
	"at" bigint NOT NULL,
	"drawn" double precision NOT NULL,
	"outcome" text,
	"reason" text,
	"conversation" text DEFAULT '' NOT NULL,
	"answer" text DEFAULT '' NOT NULL,
	"parts" json DEFAULT '[]'::json NOT NULL,
	"is_equal" boolean DEFAULT false NOT NULL,
	"confidence" double precision,
	"upstream_answer" text,
	"chars" integer DEFAULT 0 NOT NULL,
	"is_new_label" boolean,
	"upstream_model" text,
	"cost_usd" double precision,
	"rating" text,
	"rated_at" bigint,
	CONSTRAINT "pairs_record_id_unique" UNIQUE("record_id")
);
--> statement-breakpoint
CREATE TABLE "promptintern"."records" (
	"sequence" bigint PRIMARY KEY NOT NULL,
	"id" text NOT NULL,
	"day" integer NOT NULL,
	"at" bigint NOT NULL,
	"template_version" text,
	"tenant_number" integer NOT NULL,
	"outcome" smallint NOT NULL,
	"status_class" smallint NOT NULL,
	"opening" smallint,
	"head" text NOT NULL,
	CONSTRAINT "records_id_unique" UNIQUE("id")
);
--> statement-breakpoint
CREATE TABLE "promptintern"."revisions" (
	"name" text PRIMARY KEY NOT NULL,
	"value" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "promptintern"."routes" (
	"template_version" text PRIMARY KEY NOT NULL,
	"internalization_id" text NOT NULL,
	"lora" text NOT NULL,
	"route" json NOT NULL
);
--> statement-breakpoint
CREATE TABLE "promptintern"."snapshots" (
	"name" text PRIMARY KEY NOT NULL,
	"value" "bytea" NOT NULL
);
--> statement-breakpoint
CREATE TABLE "promptintern"."template_labels" (
	"version" text PRIMARY KEY NOT NULL,
	"label" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "promptintern"."template_totals" (
	"version" text PRIMARY KEY NOT NULL,
	"requests" bigint DEFAULT 0 NOT NULL,
	"bought" bigint DEFAULT 0 NOT NULL,
	"answered" bigint DEFAULT 0 NOT NULL,
	"forwarded" bigint DEFAULT 0 NOT NULL,
	"prompt_tokens_saved" double precision DEFAULT 0 NOT NULL,
	"last_seen" bigint
);
--> statement-breakpoint
CREATE TABLE "promptintern"."templates" (
	"version" text PRIMARY KEY NOT NULL,
	"tenant" text NOT NULL,
	"template" json NOT NULL
);
--> statement-breakpoint
CREATE TABLE "promptintern"."traffic_hours" (
	"hour" bigint PRIMARY KEY NOT NULL,
	"figures" json NOT NULL
);
--> statement-breakpoint
ALTER TABLE "promptintern"."evaluations" ADD CONSTRAINT "evaluations_internalization_id_internalizations_id_fk" FOREIGN KEY ("internalization_id") REFERENCES "promptintern"."internalizations"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "promptintern"."history" ADD CONSTRAINT "history_internalization_id_internalizations_id_fk" FOREIGN KEY ("internalization_id") REFERENCES "promptintern"."internalizations"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "bodies_day" ON "promptintern"."bodies" USING btree ("day","sequence");--> statement-breakpoint
CREATE INDEX "dictionaries_day" ON "promptintern"."dictionaries" USING btree ("day");--> statement-breakpoint
CREATE INDEX "dictionaries_retired" ON "promptintern"."dictionaries" USING btree ("day") WHERE is_retired;--> statement-breakpoint
CREATE INDEX "evaluations_record" ON "promptintern"."evaluations" USING btree ("record_id");--> statement-breakpoint
CREATE UNIQUE INDEX "feedback_record" ON "promptintern"."feedback" USING btree ("record_id","given_by");--> statement-breakpoint
CREATE INDEX "feedback_day" ON "promptintern"."feedback" USING btree ("day");--> statement-breakpoint
CREATE INDEX "feedback_lora" ON "promptintern"."feedback" USING btree ("lora","place") WHERE lora is not null;--> statement-breakpoint
CREATE INDEX "history_internalization" ON "promptintern"."history" USING btree ("internalization_id");--> statement-breakpoint
CREATE INDEX "internalizations_template" ON "promptintern"."internalizations" USING btree ("template_version");--> statement-breakpoint
CREATE UNIQUE INDEX "internalizations_in_work" ON "promptintern"."internalizations" USING btree ("template_version") WHERE state_name in ('candidate', 'training', 'evaluating', 'approval');--> statement-breakpoint
CREATE INDEX "kept_responses_tenant" ON "promptintern"."kept_responses" USING btree ("tenant","at","id","bytes");--> statement-breakpoint
CREATE INDEX "kept_responses_at" ON "promptintern"."kept_responses" USING btree ("at");--> statement-breakpoint
CREATE INDEX "pairs_lora" ON "promptintern"."pairs" USING btree ("lora","place");--> statement-breakpoint
CREATE INDEX "pairs_waiting" ON "promptintern"."pairs" USING btree ("lora") WHERE outcome is null;--> statement-breakpoint
CREATE INDEX "pairs_at" ON "promptintern"."pairs" USING btree ("at");--> statement-breakpoint
CREATE INDEX "pairs_outcome" ON "promptintern"."pairs" USING btree ("lora","outcome","place") WHERE outcome is not null;--> statement-breakpoint
CREATE INDEX "pairs_cost" ON "promptintern"."pairs" USING btree ("at","cost_usd","drawn") WHERE cost_usd is not null;--> statement-breakpoint
CREATE INDEX "pairs_rated" ON "promptintern"."pairs" USING btree ("place") WHERE rating is not null;--> statement-breakpoint
CREATE INDEX "records_day" ON "promptintern"."records" USING btree ("day","sequence");--> statement-breakpoint
CREATE INDEX "records_template" ON "promptintern"."records" USING btree ("template_version","sequence") WHERE template_version is not null;--> statement-breakpoint
CREATE INDEX "records_tenant" ON "promptintern"."records" USING btree ("tenant_number","sequence");--> statement-breakpoint
CREATE INDEX "records_outcome" ON "promptintern"."records" USING btree ("outcome","sequence");--> statement-breakpoint
CREATE INDEX "records_status" ON "promptintern"."records" USING btree ("status_class","sequence") WHERE status_class <> 2;