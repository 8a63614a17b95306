/** Templates and internalizations by what people write for them: an id, or the start of one. And their names. */
import type { Internalization } from '../core/internalization/internalization.ts'
import { namesOf } from '../core/template/name.ts'
import type { Template } from '../core/template/template.ts'
import { AppError } from '../errors.ts'
import type { Store } from '../store/store.ts'

/** Fewer are a slip of the keyboard more often than the start of an id. */
const LEAST_CHARS = 4

/** @returns null when no id begins so. @throws AppError `conflict` when several do */
const byStart = <Row>(
  rows: readonly Row[],
  idOf: (row: Row) => string,
  start: string
): Row | null => {
  const found = start.length < LEAST_CHARS ? [] : rows.filter((row) => idOf(row).startsWith(start))
  if (found.length > 1)
    throw new AppError(
      'conflict',
      `${found.length} ids begin with ${start}: ${found.slice(0, 3).map(idOf).join(', ')}` +
        `${found.length > 3 ? ', …' : ''}; give more characters of the id`
    )
  return found[0] ?? null
}

/** @returns null: there is none. @throws AppError `conflict` when several versions begin so */
export const findTemplate = async (
  { templates }: Pick<Store, 'templates'>,
  version: string
): Promise<Template | null> =>
  (await templates.get(version)) ??
  byStart(await templates.list(), (row) => row.version, version.toLowerCase())

/** @returns null: there is none. @throws AppError `conflict` when several ids begin so */
export const findInternalization = async (
  { internalizations }: Pick<Store, 'internalizations'>,
  id: string
): Promise<Internalization | null> => {
  const exact = await internalizations.get(id)
  if (exact !== null) return exact
  const found = byStart(
    await internalizations.list({ recordIds: false }),
    (row) => row.id,
    id.toLowerCase()
  )
  return found === null ? null : internalizations.get(found.id)
}

/** What people know templates by, by version. */
export const templateNames = async ({
  templates,
}: Pick<Store, 'templates'>): Promise<Map<string, string>> => {
  const labels = await templates.labels()
  return namesOf(await templates.list(), labels)
}
