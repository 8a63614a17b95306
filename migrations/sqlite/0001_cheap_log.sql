CREATE TABLE `__new_bodies` (
	`id` integer PRIMARY KEY NOT NULL,
	`digest` blob,
	`base` integer,
	`prefix_bytes` integer NOT NULL,
	`suffix_bytes` integer NOT NULL,
	`data` blob NOT NULL,
	FOREIGN KEY (`base`) REFERENCES `bodies`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
-- a difference has no digest any more
INSERT INTO `__new_bodies`("id", "digest", "base", "prefix_bytes", "suffix_bytes", "data") SELECT "id", CASE WHEN "base" IS NULL THEN "digest" END, "base", "prefix_bytes", "suffix_bytes", "data" FROM `bodies`;--> statement-breakpoint
DROP TABLE `bodies`;--> statement-breakpoint
ALTER TABLE `__new_bodies` RENAME TO `bodies`;--> statement-breakpoint
CREATE UNIQUE INDEX `bodies_digest` ON `bodies` (`digest`) WHERE digest is not null;--> statement-breakpoint
CREATE INDEX `bodies_base` ON `bodies` (`base`) WHERE base is not null;--> statement-breakpoint
DROP INDEX `records_template`;--> statement-breakpoint
CREATE INDEX `records_template` ON `records` (`template_version`,`sequence`) WHERE template_version is not null;
