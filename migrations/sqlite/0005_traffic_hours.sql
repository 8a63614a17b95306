CREATE TABLE `traffic_hours` (
	`hour` integer PRIMARY KEY NOT NULL,
	`figures` text NOT NULL
);
