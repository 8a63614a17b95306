CREATE TABLE `kept_responses` (
	`id` text PRIMARY KEY NOT NULL,
	`tenant` text NOT NULL,
	`at` integer NOT NULL,
	`bytes` integer NOT NULL,
	`request` text NOT NULL,
	`response` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `kept_responses_tenant` ON `kept_responses` (`tenant`,`at`,`id`,`bytes`);--> statement-breakpoint
CREATE INDEX `kept_responses_at` ON `kept_responses` (`at`);