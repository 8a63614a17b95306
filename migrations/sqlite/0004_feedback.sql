CREATE TABLE `feedback` (
	`place` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`record_id` text NOT NULL,
	`given_by` text NOT NULL,
	`lora` text,
	`answered_by` text NOT NULL,
	`rating` text NOT NULL,
	`comment` text,
	`at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `feedback_record` ON `feedback` (`record_id`,`given_by`);--> statement-breakpoint
CREATE INDEX `feedback_lora` ON `feedback` (`lora`) WHERE lora is not null;--> statement-breakpoint
ALTER TABLE `pairs` ADD `rated_at` integer;--> statement-breakpoint
CREATE INDEX `pairs_rated` ON `pairs` (`place`) WHERE rating is not null;