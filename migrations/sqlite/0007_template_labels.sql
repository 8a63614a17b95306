CREATE TABLE `template_labels` (
	`version` text PRIMARY KEY NOT NULL,
	`label` text NOT NULL
);
