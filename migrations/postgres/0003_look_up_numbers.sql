-- breaking: its indexes of the log take seconds in which no proxy can append
ALTER TABLE "promptintern"."records" ADD COLUMN "tenant_number" integer;--> statement-breakpoint
ALTER TABLE "promptintern"."records" ADD COLUMN "outcome" smallint;--> statement-breakpoint
ALTER TABLE "promptintern"."records" ADD COLUMN "status_class" smallint;--> statement-breakpoint
ALTER TABLE "promptintern"."records" ADD COLUMN "opening" smallint;--> statement-breakpoint
CREATE INDEX "pairs_outcome" ON "promptintern"."pairs" USING btree ("lora","outcome","place") WHERE outcome is not null;--> statement-breakpoint
CREATE INDEX "pairs_cost" ON "promptintern"."pairs" USING btree ("at","cost_usd") WHERE cost_usd is not null;--> statement-breakpoint
CREATE INDEX "records_tenant" ON "promptintern"."records" USING btree ("tenant_number","sequence");--> statement-breakpoint
CREATE INDEX "records_outcome" ON "promptintern"."records" USING btree ("outcome","sequence");--> statement-breakpoint
CREATE INDEX "records_status" ON "promptintern"."records" USING btree ("status_class","sequence") WHERE status_class <> 2;--> statement-breakpoint
CREATE INDEX "records_unnumbered" ON "promptintern"."records" USING btree ("sequence") WHERE outcome is null;