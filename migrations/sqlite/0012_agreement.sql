DROP INDEX `pairs_cost`;--> statement-breakpoint
ALTER TABLE `pairs` ADD `drawn` real DEFAULT 1 NOT NULL;--> statement-breakpoint
CREATE INDEX `pairs_cost` ON `pairs` (`at`,`cost_usd`,`drawn`) WHERE cost_usd is not null;--> statement-breakpoint
ALTER TABLE `evaluations` ADD `agrees` integer DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE `evaluations` ADD `agrees_today` integer;--> statement-breakpoint
ALTER TABLE `evaluations` ADD `fresh` text;