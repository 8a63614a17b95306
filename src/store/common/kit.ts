/**
 * The builders of tables and columns, which each database passes in (`base/schema.ts`). Both have the same calls, but
 * unrelated types: these are PostgreSQL's.
 */
import type { IsIdentity, IsPrimaryKey, NotNull } from 'drizzle-orm'
import type {
  index,
  PgBigInt53BuilderInitial,
  PgBooleanBuilderInitial,
  PgCustomColumnBuilder,
  PgDoublePrecisionBuilderInitial,
  PgIntegerBuilderInitial,
  PgJsonBuilderInitial,
  PgSchema,
  PgSmallIntBuilderInitial,
  PgTextBuilderInitial,
  primaryKey,
  uniqueIndex,
} from 'drizzle-orm/pg-core'

type TextBuilder = PgTextBuilderInitial<string, [string, ...string[]]>
type WholeBuilder = PgBigInt53BuilderInitial<string>

/** The builders of one database. */
export interface Kit {
  table: PgSchema['table']
  index: typeof index
  uniqueIndex: typeof uniqueIndex
  primaryKey: typeof primaryKey
  text: (name: string) => TextBuilder
  /** Text that a model or a person wrote, which may have U+0000. */
  prose: (name: string) => TextBuilder
  json: (name: string) => PgJsonBuilderInitial<string>
  bytes: (name: string) => PgCustomColumnBuilder<{
    name: string
    dataType: 'custom'
    columnType: 'PgCustomColumn'
    data: Buffer
    driverParam: Buffer
    enumValues: undefined
  }>
  /** A safe integer, such as milliseconds since the epoch. */
  whole: (name: string) => WholeBuilder
  integer: (name: string) => PgIntegerBuilderInitial<string>
  small: (name: string) => PgSmallIntBuilderInitial<string>
  real: (name: string) => PgDoublePrecisionBuilderInitial<string>
  flag: (name: string) => PgBooleanBuilderInitial<string>
  /** A primary key whose values the database gives in order, each once. */
  numbered: (name: string) => IsIdentity<IsPrimaryKey<NotNull<WholeBuilder>>, 'always'>
}
