CREATE TABLE `leases` (
	`name` text PRIMARY KEY NOT NULL,
	`epoch` integer NOT NULL,
	`holder` text NOT NULL,
	`ends_at` integer NOT NULL
);
