/** The internalization that a command means. */
import type { Internalization } from '../../core/internalization/internalization.ts'
import { shortId } from '../../core/template/name.ts'
import { AppError } from '../../errors.ts'
import { findInternalization, findTemplate } from '../../lifecycle/find.ts'
import type { Store } from '../../store/store.ts'

type StateName = Internalization['state']['name']

/** In the help of commands that decide about a live route. */
export const OF_LIVE =
  'id, or its start, of an internalization or a template; a template stands for its live internalization'

/**
 * By its own id or the start of it, or of a template: the newest one in the first of the states that one is in, else the newest.
 * @throws AppError `not-found`, `conflict`, `invalid-state`
 */
export const chosen = async (
  store: Store,
  wanted: string,
  preferred: readonly StateName[]
): Promise<Internalization> => {
  const own = await findInternalization(store, wanted)
  if (own !== null) return own
  const template = await findTemplate(store, wanted)
  if (template === null)
    throw new AppError(
      'not-found',
      `${wanted} is neither a template nor an internalization: promptintern status lists the templates`
    )
  const rows = (await store.internalizations.list()).filter(
    ({ templateVersion }) => templateVersion === template.version
  )
  const newest = [...preferred, null].flatMap(
    (name) => rows.findLast(({ state }) => name === null || state.name === name) ?? []
  )
  if (newest[0] === undefined)
    throw new AppError(
      'invalid-state',
      `template ${shortId(template.version)} has no internalization yet: run promptintern internalize ${wanted}`
    )
  return newest[0]
}
