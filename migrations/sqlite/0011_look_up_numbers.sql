ALTER TABLE `records` ADD `tenant_number` integer;--> statement-breakpoint
ALTER TABLE `records` ADD `outcome` integer;--> statement-breakpoint
ALTER TABLE `records` ADD `status_class` integer;--> statement-breakpoint
ALTER TABLE `records` ADD `opening` integer;--> statement-breakpoint
CREATE INDEX `records_tenant` ON `records` (`tenant_number`,`sequence`);--> statement-breakpoint
CREATE INDEX `records_outcome` ON `records` (`outcome`,`sequence`);--> statement-breakpoint
CREATE INDEX `records_status` ON `records` (`status_class`,`sequence`) WHERE status_class <> 2;--> statement-breakpoint
CREATE INDEX `pairs_outcome` ON `pairs` (`lora`,`outcome`,`place`) WHERE outcome is not null;--> statement-breakpoint
CREATE INDEX `pairs_cost` ON `pairs` (`at`,`cost_usd`) WHERE cost_usd is not null;