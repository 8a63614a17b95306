/** Models of the log's templates that their providers retire soon, or have just retired. */
import { DAY_MS } from '../days.ts'
import { groupBy } from '../group-by.ts'
import { followersOf, type Follower } from '../internalization/followers.ts'
import type { Internalization } from '../internalization/internalization.ts'
import type { Template } from '../template/template.ts'
import { findPrice, withoutDate, type Price } from './prices.ts'

export interface Retirement {
  /** without a date at its end */
  model: string
  /** YYYY-MM-DD */
  on: string
  /** below 0: it is retired */
  daysLeft: number
  /** templates whose requests name it */
  templates: number
}

/** Day on which a model's provider retires it, YYYY-MM-DD; null: not known. */
export type RetiresOn = (model: string) => string | null

export const retiresByPrice =
  (prices: readonly Price[]): RetiresOn =>
  (model) =>
    findPrice(prices, model)?.deprecatedOn ?? null

/** Requests name a retired model for a while; what was retired long ago is history. */
const [DAYS_BEFORE, DAYS_AFTER] = [120, 30]

/** @param models of the templates, once for each @param now milliseconds since the epoch @returns the first one first */
export const retirementsOf = (
  models: readonly string[],
  retiresOn: RetiresOn,
  now: number
): Retirement[] =>
  [...groupBy(models, withoutDate)]
    // versions of one model may have different days
    .flatMap(([model, named]) =>
      [...groupBy(named, retiresOn)].flatMap(([on, { length: templates }]) => {
        if (on === null) return []
        const daysLeft = Math.ceil((Date.parse(on) - now) / DAY_MS)
        return [{ model, on, daysLeft, templates }]
      })
    )
    .filter(({ daysLeft }) => daysLeft <= DAYS_BEFORE && daysLeft >= -DAYS_AFTER)
    .toSorted((one, other) => one.daysLeft - other.daysLeft)

/** Of templates that a person has moved to another model: nothing is left to decide. */
export interface FollowedRetirement extends Retirement {
  followers: Follower[]
}

export interface Retirements {
  /** of the templates that are not followed */
  open: Retirement[]
  followed: FollowedRetirement[]
}

/** @param rows internalizations, oldest first */
export const retirementsOfTemplates = (
  templates: readonly Template[],
  rows: readonly Internalization[],
  retiresOn: RetiresOn,
  now: number
): Retirements => {
  const followers = followersOf(templates, rows)
  const isFollowed = ({ version }: Template): boolean => followers.has(version)
  const retired = (some: readonly Template[]): Retirement[] =>
    retirementsOf(
      some.map(({ model }) => model),
      retiresOn,
      now
    )
  const followed = templates.filter(isFollowed)
  return {
    open: retired(templates.filter((template) => !isFollowed(template))),
    followed: retired(followed).map((retirement) => ({
      ...retirement,
      followers: followed
        .filter(
          ({ model }) =>
            withoutDate(model) === retirement.model && retiresOn(model) === retirement.on
        )
        .flatMap(({ version }) => followers.get(version) ?? []),
    })),
  }
}

/** `is retired on 2027-01-14, in 44 days`, `was retired on 2026-10-23` */
export const retirementText = ({ on, daysLeft }: Retirement): string =>
  daysLeft <= 0
    ? `was retired on ${on}`
    : `is retired on ${on}, in ${daysLeft} ${daysLeft === 1 ? 'day' : 'days'}`
