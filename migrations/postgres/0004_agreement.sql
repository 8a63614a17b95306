-- breaking: older programs write no agreement, and know neither parts of audits nor sides of feedback
DROP INDEX "promptintern"."feedback_lora";--> statement-breakpoint
DROP INDEX "promptintern"."pairs_cost";--> statement-breakpoint
ALTER TABLE "promptintern"."evaluations" ADD COLUMN "agrees" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "promptintern"."evaluations" ADD COLUMN "agrees_today" boolean;--> statement-breakpoint
ALTER TABLE "promptintern"."evaluations" ADD COLUMN "fresh" json;--> statement-breakpoint
ALTER TABLE "promptintern"."feedback" ADD COLUMN "side" text;--> statement-breakpoint
ALTER TABLE "promptintern"."feedback" ADD COLUMN "conversation" text;--> statement-breakpoint
ALTER TABLE "promptintern"."feedback" ADD COLUMN "first_at" bigint;--> statement-breakpoint
ALTER TABLE "promptintern"."pairs" ADD COLUMN "drawn" double precision DEFAULT 1 NOT NULL;--> statement-breakpoint
CREATE INDEX "feedback_lora" ON "promptintern"."feedback" USING btree ("lora","place") WHERE lora is not null;--> statement-breakpoint
CREATE INDEX "pairs_cost" ON "promptintern"."pairs" USING btree ("at","cost_usd","drawn") WHERE cost_usd is not null;