ALTER TABLE `evaluations` ADD `agrees` integer DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE `evaluations` ADD `agrees_today` integer;--> statement-breakpoint
ALTER TABLE `evaluations` ADD `fresh` text;