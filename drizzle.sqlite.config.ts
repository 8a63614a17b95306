/** For `npm run migrations`: turns a changed schema into the next numbered migration. */
import { defineConfig } from 'drizzle-kit'

export default defineConfig({
  dialect: 'sqlite',
  schema: './src/store/sqlite/base/schema.ts',
  out: './migrations/sqlite',
})
