ALTER TABLE "promptintern"."evaluations" ADD COLUMN "agrees" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "promptintern"."evaluations" ADD COLUMN "agrees_today" boolean;--> statement-breakpoint
ALTER TABLE "promptintern"."evaluations" ADD COLUMN "fresh" json;