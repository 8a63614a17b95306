CREATE TABLE `bodies` (
	`sequence` integer PRIMARY KEY NOT NULL,
	`day` integer NOT NULL,
	`request_dictionary` integer,
	`request` blob,
	`response_dictionary` integer,
	`response` blob
);
--> statement-breakpoint
CREATE INDEX `bodies_day` ON `bodies` (`day`,`sequence`);--> statement-breakpoint
CREATE TABLE `dictionaries` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`day` integer NOT NULL,
	`is_retired` integer DEFAULT false NOT NULL,
	`data` blob NOT NULL
);
--> statement-breakpoint
CREATE INDEX `dictionaries_day` ON `dictionaries` (`day`);--> statement-breakpoint
CREATE INDEX `dictionaries_retired` ON `dictionaries` (`day`) WHERE is_retired;--> statement-breakpoint
CREATE TABLE `evaluations` (
	`internalization_id` text NOT NULL,
	`arm` integer NOT NULL,
	`record_id` text NOT NULL,
	`answer` text NOT NULL,
	`logprob_sum` real NOT NULL,
	`logprob_min` real NOT NULL,
	`long_logprobs` text,
	`agrees` integer NOT NULL,
	`agrees_today` integer,
	`deferred` text,
	`upstream_answer` text,
	`second_answer` text,
	`fresh` text,
	`judged` text,
	PRIMARY KEY(`internalization_id`, `arm`, `record_id`),
	FOREIGN KEY (`internalization_id`) REFERENCES `internalizations`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE INDEX `evaluations_record` ON `evaluations` (`record_id`);--> statement-breakpoint
CREATE TABLE `feedback` (
	`place` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`record_id` text NOT NULL,
	`day` integer NOT NULL,
	`given_by` text NOT NULL,
	`lora` text,
	`answered_by` text NOT NULL,
	`side` text,
	`conversation` text,
	`first_at` integer,
	`rating` text NOT NULL,
	`comment` text,
	`at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `feedback_record` ON `feedback` (`record_id`,`given_by`);--> statement-breakpoint
CREATE INDEX `feedback_day` ON `feedback` (`day`);--> statement-breakpoint
CREATE INDEX `feedback_lora` ON `feedback` (`lora`,`place`) WHERE lora is not null;--> statement-breakpoint
CREATE TABLE `field_rules` (
	`version` text NOT NULL,
	`path` text NOT NULL,
	`rule` text NOT NULL,
	`by` text NOT NULL,
	`why` text NOT NULL,
	`at` integer NOT NULL,
	PRIMARY KEY(`version`, `path`)
);
--> statement-breakpoint
CREATE TABLE `history` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`internalization_id` text NOT NULL,
	`at` integer NOT NULL,
	`from_state` text,
	`to_state` text NOT NULL,
	`caused_by` text NOT NULL,
	`note` text,
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
	`record_lists` text,
	`verdict` text,
	`revision` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `internalizations_template` ON `internalizations` (`template_version`);--> statement-breakpoint
CREATE UNIQUE INDEX `internalizations_in_work` ON `internalizations` (`template_version`) WHERE state_name in ('candidate', 'training', 'evaluating', 'approval');--> statement-breakpoint
CREATE TABLE `kept_responses` (
	`id` text PRIMARY KEY NOT NULL,
	`tenant` text NOT NULL,
	`at` integer NOT NULL,
	`bytes` integer NOT NULL,
	`request` blob NOT NULL,
	`response` blob NOT NULL
);
--> statement-breakpoint
CREATE INDEX `kept_responses_tenant` ON `kept_responses` (`tenant`,`at`,`id`,`bytes`);--> statement-breakpoint
CREATE INDEX `kept_responses_at` ON `kept_responses` (`at`);--> statement-breakpoint
CREATE TABLE `key_accounts` (
	`key_id` text PRIMARY KEY NOT NULL,
	`requests` real,
	`tokens` real,
	`filled_at` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `key_slices` (
	`key_id` text NOT NULL,
	`holder` text NOT NULL,
	`usd` real NOT NULL,
	`renewed_at` integer NOT NULL,
	PRIMARY KEY(`key_id`, `holder`)
);
--> statement-breakpoint
CREATE TABLE `key_spend` (
	`key_id` text NOT NULL,
	`day` integer NOT NULL,
	`requests` integer NOT NULL,
	`tokens` real NOT NULL,
	`usd` real NOT NULL,
	PRIMARY KEY(`key_id`, `day`)
);
--> statement-breakpoint
CREATE TABLE `keys` (
	`id` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`hash` text NOT NULL,
	`tenant` text NOT NULL,
	`limits` text NOT NULL,
	`created_at` integer NOT NULL,
	`revoked_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `keys_hash_unique` ON `keys` (`hash`);--> statement-breakpoint
CREATE TABLE `leases` (
	`name` text PRIMARY KEY NOT NULL,
	`epoch` integer NOT NULL,
	`holder` text NOT NULL,
	`ends_at` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `log_end` (
	`id` integer PRIMARY KEY NOT NULL,
	`sequence` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `pairs` (
	`place` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`record_id` text,
	`lora` text NOT NULL,
	`at` integer NOT NULL,
	`drawn` real NOT NULL,
	`outcome` text,
	`reason` text,
	`conversation` text DEFAULT '' NOT NULL,
	`answer` text DEFAULT '' NOT NULL,
	`parts` text DEFAULT '[]' NOT NULL,
	`is_equal` integer DEFAULT false NOT NULL,
	`confidence` real,
	`upstream_answer` text,
	`chars` integer DEFAULT 0 NOT NULL,
	`is_new_label` integer,
	`upstream_model` text,
	`cost_usd` real,
	`rating` text,
	`rated_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `pairs_record_id_unique` ON `pairs` (`record_id`);--> statement-breakpoint
CREATE INDEX `pairs_lora` ON `pairs` (`lora`,`place`);--> statement-breakpoint
CREATE INDEX `pairs_waiting` ON `pairs` (`lora`) WHERE outcome is null;--> statement-breakpoint
CREATE INDEX `pairs_at` ON `pairs` (`at`);--> statement-breakpoint
CREATE INDEX `pairs_outcome` ON `pairs` (`lora`,`outcome`,`place`) WHERE outcome is not null;--> statement-breakpoint
CREATE INDEX `pairs_cost` ON `pairs` (`at`,`cost_usd`,`drawn`) WHERE cost_usd is not null;--> statement-breakpoint
CREATE INDEX `pairs_rated` ON `pairs` (`place`) WHERE rating is not null;--> statement-breakpoint
CREATE TABLE `records` (
	`sequence` integer PRIMARY KEY NOT NULL,
	`id` text NOT NULL,
	`day` integer NOT NULL,
	`at` integer NOT NULL,
	`template_version` text,
	`tenant_number` integer NOT NULL,
	`outcome` integer NOT NULL,
	`status_class` integer NOT NULL,
	`opening` integer,
	`head` text NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `records_id_unique` ON `records` (`id`);--> statement-breakpoint
CREATE INDEX `records_day` ON `records` (`day`,`sequence`);--> statement-breakpoint
CREATE INDEX `records_template` ON `records` (`template_version`,`sequence`) WHERE template_version is not null;--> statement-breakpoint
CREATE INDEX `records_tenant` ON `records` (`tenant_number`,`sequence`);--> statement-breakpoint
CREATE INDEX `records_outcome` ON `records` (`outcome`,`sequence`);--> statement-breakpoint
CREATE INDEX `records_status` ON `records` (`status_class`,`sequence`) WHERE status_class <> 2;--> statement-breakpoint
CREATE TABLE `revisions` (
	`name` text PRIMARY KEY NOT NULL,
	`value` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `routes` (
	`template_version` text PRIMARY KEY NOT NULL,
	`internalization_id` text NOT NULL,
	`lora` text NOT NULL,
	`route` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `snapshots` (
	`name` text PRIMARY KEY NOT NULL,
	`value` blob NOT NULL
);
--> statement-breakpoint
CREATE TABLE `template_labels` (
	`version` text PRIMARY KEY NOT NULL,
	`label` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `template_totals` (
	`version` text PRIMARY KEY NOT NULL,
	`requests` integer DEFAULT 0 NOT NULL,
	`bought` integer DEFAULT 0 NOT NULL,
	`answered` integer DEFAULT 0 NOT NULL,
	`forwarded` integer DEFAULT 0 NOT NULL,
	`prompt_tokens_saved` real DEFAULT 0 NOT NULL,
	`last_seen` integer
);
--> statement-breakpoint
CREATE TABLE `templates` (
	`version` text PRIMARY KEY NOT NULL,
	`tenant` text NOT NULL,
	`template` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `traffic_hours` (
	`hour` integer PRIMARY KEY NOT NULL,
	`figures` text NOT NULL
);
