CREATE TABLE `bodies` (
	`id` integer PRIMARY KEY NOT NULL,
	`digest` blob NOT NULL,
	`newest_at` integer NOT NULL,
	`data` blob NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `bodies_digest_unique` ON `bodies` (`digest`);--> statement-breakpoint
CREATE INDEX `bodies_newest_at` ON `bodies` (`newest_at`);--> statement-breakpoint
CREATE TABLE `evaluations` (
	`internalization_id` text NOT NULL,
	`arm` integer NOT NULL,
	`record_id` text NOT NULL,
	`answer` text NOT NULL,
	`logprob_sum` real NOT NULL,
	`logprob_min` real NOT NULL,
	`similarity` real NOT NULL,
	`upstream_answer` text,
	`upstream_similarity` real,
	PRIMARY KEY(`internalization_id`, `arm`, `record_id`),
	FOREIGN KEY (`internalization_id`) REFERENCES `internalizations`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE TABLE `history` (
	`id` integer PRIMARY KEY NOT NULL,
	`internalization_id` text NOT NULL,
	`at` integer NOT NULL,
	`from_state` text,
	`to_state` text NOT NULL,
	`caused_by` text NOT NULL,
	FOREIGN KEY (`internalization_id`) REFERENCES `internalizations`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE INDEX `history_internalization` ON `history` (`internalization_id`);--> statement-breakpoint
CREATE TABLE `internalizations` (
	`id` text PRIMARY KEY NOT NULL,
	`tenant` text NOT NULL,
	`template_version` text NOT NULL,
	`state_name` text NOT NULL,
	`state` text NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	`plan` text,
	`verdict` text,
	`revision` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `internalizations_template` ON `internalizations` (`template_version`);--> statement-breakpoint
CREATE UNIQUE INDEX `internalizations_in_work` ON `internalizations` (`template_version`) WHERE state_name in ('candidate', 'training', 'evaluating', 'approval');--> statement-breakpoint
CREATE TABLE `records` (
	`sequence` integer PRIMARY KEY NOT NULL,
	`id` text NOT NULL,
	`at` integer NOT NULL,
	`answered` integer NOT NULL,
	`template_version` text
);
--> statement-breakpoint
CREATE UNIQUE INDEX `records_id_unique` ON `records` (`id`);--> statement-breakpoint
CREATE INDEX `records_template` ON `records` (`template_version`,`sequence`) WHERE template_version is not null;--> statement-breakpoint
CREATE TABLE `revisions` (
	`name` text PRIMARY KEY NOT NULL,
	`value` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `routes` (
	`template_version` text PRIMARY KEY NOT NULL,
	`route` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `segments` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`oldest_at` integer NOT NULL,
	`oldest_body_at` integer,
	`data` blob NOT NULL
);
--> statement-breakpoint
CREATE INDEX `segments_oldest_at` ON `segments` (`oldest_at`);--> statement-breakpoint
CREATE INDEX `segments_oldest_body_at` ON `segments` (`oldest_body_at`) WHERE oldest_body_at is not null;--> statement-breakpoint
CREATE TABLE `snapshots` (
	`name` text PRIMARY KEY NOT NULL,
	`value` blob NOT NULL
);
--> statement-breakpoint
CREATE TABLE `template_totals` (
	`version` text PRIMARY KEY NOT NULL,
	`requests` integer DEFAULT 0 NOT NULL,
	`answered` integer DEFAULT 0 NOT NULL,
	`fallbacks` integer DEFAULT 0 NOT NULL,
	`prompt_tokens_saved` integer DEFAULT 0 NOT NULL,
	`saved_usd` real DEFAULT 0 NOT NULL,
	`last_seen` integer
);
--> statement-breakpoint
CREATE TABLE `templates` (
	`version` text PRIMARY KEY NOT NULL,
	`tenant` text NOT NULL,
	`template` text NOT NULL
);
