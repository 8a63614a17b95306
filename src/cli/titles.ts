/** How people are shown templates: by name, and by the start of the id, which the commands take for it. */
import type { Follower } from '../core/internalization/followers.ts'
import type { Internalization } from '../core/internalization/internalization.ts'
import { shortId } from '../core/template/name.ts'
import { templateNames } from '../lifecycle/find.ts'
import type { Store } from '../store/store.ts'
import { visibleName } from '../visible-text.ts'

export interface Titles {
  /** Eight characters, or as many more as tell the template apart from the others. */
  id(version: string): string
  name(version: string): string
  /** `9a172f79 (routing step, Northwind Pay)`, on one line */
  title(version: string): string
}

const commonLength = (one: string, other: string): number => {
  let length = 0
  while (length < one.length && one[length] === other[length]) length++
  return length
}

/** Templates of one prompt, of which one caller has its own, begin alike. */
const idsOf = (versions: Iterable<string>): Map<string, string> => {
  const sorted = [...versions].toSorted()
  return new Map(
    sorted.map((version, at) => {
      const beside = [sorted[at - 1], sorted[at + 1]].filter((other) => other !== undefined)
      const alike = Math.max(0, ...beside.map((other) => commonLength(version, other)))
      return [version, version.slice(0, Math.max(shortId(version).length, alike + 1))]
    })
  )
}

/** @param names by version, of all templates */
export const titlesOf = (names: ReadonlyMap<string, string>): Titles => {
  const ids = idsOf(names.keys())
  const id = (version: string): string => ids.get(version) ?? shortId(version)
  const name = (version: string): string => names.get(version) ?? ''
  return {
    id,
    name,
    title: (version) => {
      const named = name(version)
      // a prompt without words is named by its id
      return named === '' || named === shortId(version)
        ? id(version)
        : `${id(version)} (${visibleName(named)})`
    },
  }
}

/** `9a172f79 (gpt-6-luna, proving)` */
export const followersText = (followers: readonly Follower[], { id }: Titles): string =>
  followers
    .map(({ version, model, state }) => `${id(version)} (${visibleName(model)}, ${state})`)
    .join(', ')

/** `internalization 7b0fbb0e of template 9a172f79 (routing step, Northwind Pay)` */
export const internalizationTitle = (
  { id, templateVersion }: Pick<Internalization, 'id' | 'templateVersion'>,
  { title }: Titles
): string => `internalization ${shortId(id)} of template ${title(templateVersion)}`

export const readTitles = async (store: Pick<Store, 'templates'>): Promise<Titles> =>
  titlesOf(await templateNames(store))
