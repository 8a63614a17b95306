/** For `npm run migrations:postgres`: turns a changed schema into the next numbered migration. */
import { defineConfig } from 'drizzle-kit'

export default defineConfig({
  dialect: 'postgresql',
  schema: './src/store/postgres/base/schema.ts',
  schemaFilter: ['promptintern'],
  out: './migrations/postgres',
})
