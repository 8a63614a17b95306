CREATE TABLE `pairs` (
	`place` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`record_id` text,
	`lora` text NOT NULL,
	`at` integer NOT NULL,
	`outcome` text,
	`reason` text,
	`conversation` text DEFAULT '' NOT NULL,
	`answer` text DEFAULT '' NOT NULL,
	`similarity` real DEFAULT 0 NOT NULL,
	`confidence` real,
	`upstream_answer` text,
	`chars` integer DEFAULT 0 NOT NULL,
	`is_new_label` integer,
	`upstream_model` text,
	`cost_usd` real,
	`rating` text
);
--> statement-breakpoint
CREATE UNIQUE INDEX `pairs_record_id_unique` ON `pairs` (`record_id`);--> statement-breakpoint
CREATE INDEX `pairs_lora` ON `pairs` (`lora`,`place`);--> statement-breakpoint
CREATE INDEX `pairs_waiting` ON `pairs` (`lora`) WHERE outcome is null;--> statement-breakpoint
CREATE INDEX `pairs_at` ON `pairs` (`at`);