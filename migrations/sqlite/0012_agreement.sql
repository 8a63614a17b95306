DROP INDEX `feedback_lora`;--> statement-breakpoint
ALTER TABLE `feedback` ADD `side` text;--> statement-breakpoint
ALTER TABLE `feedback` ADD `conversation` text;--> statement-breakpoint
ALTER TABLE `feedback` ADD `first_at` integer;--> statement-breakpoint
CREATE INDEX `feedback_lora` ON `feedback` (`lora`,`place`) WHERE lora is not null;--> statement-breakpoint
DROP INDEX `pairs_cost`;--> statement-breakpoint
ALTER TABLE `pairs` ADD `drawn` real DEFAULT 1 NOT NULL;--> statement-breakpoint
CREATE INDEX `pairs_cost` ON `pairs` (`at`,`cost_usd`,`drawn`) WHERE cost_usd is not null;--> statement-breakpoint
ALTER TABLE `evaluations` ADD `agrees` integer DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE `evaluations` ADD `agrees_today` integer;--> statement-breakpoint
ALTER TABLE `evaluations` ADD `fresh` text;