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
