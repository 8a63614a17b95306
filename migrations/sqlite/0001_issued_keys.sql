CREATE TABLE `key_spend` (
	`key_id` text NOT NULL,
	`day` integer NOT NULL,
	`requests` integer NOT NULL,
	`tokens` integer NOT NULL,
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
CREATE UNIQUE INDEX `keys_hash_unique` ON `keys` (`hash`);