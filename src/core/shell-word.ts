/**
 * One word of a command for a shell, which expands nothing in it (POSIX.1-2024, Shell Command Language 2.2.2).
 * @param text without NUL
 */
export const shellWord = (text: string): string =>
  /^[\w./:-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`
