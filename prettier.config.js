/** Hono's settings: no semicolons, single quotes, 100 columns. */
export default { printWidth: 100, semi: false, singleQuote: true, trailingComma: 'es5' }
