/** Reads what people's blind ratings of a route's answers prove. */
import {
  movedBorder,
  newlyWithheld,
  winningLora,
  type Internalization,
} from '../../core/internalization/internalization.ts'
import {
  peopleFigures,
  PeopleSampler,
  ratingOrder,
  type PeopleFigures,
  type PeopleSample,
} from '../../core/judge/people.ts'
import type { Store } from '../../store/store.ts'
import { pairPages } from '../read-evidence-path.ts'

type Stores = Pick<Store, 'pairs' | 'internalizations'>

const readSample = async (
  stores: Stores,
  { id }: Internalization,
  lora: string
): Promise<PeopleSample> => {
  const history = await stores.internalizations.history(id)
  const sampler = new PeopleSampler(
    history
      .filter((entry) => movedBorder(entry) !== null || newlyWithheld(entry).length > 0)
      .map(({ at }) => at)
  )
  for await (const page of pairPages(stores, lora)) sampler.read(page)
  return sampler.sample()
}

/** @returns null before an answer was audited */
export const readPeople = async (
  stores: Stores,
  internalization: Internalization
): Promise<PeopleFigures | null> => {
  const { verdict, plan } = internalization
  const lora = winningLora(internalization)
  if (lora === null || verdict === null || plan === null) return null
  const { answers, earlierTries } = await readSample(stores, internalization, lora)
  if (answers.length === 0) return null
  return peopleFigures({
    sample: answers,
    margin: verdict.margin,
    burstMs: 60_000 * plan.burstMinutes,
    earlierTries,
  })
}

/** Places of the sample's pairs that wait for a person, in the order in which they are rated. */
export const placesToRate = async (
  stores: Stores,
  internalization: Internalization
): Promise<number[]> => {
  const lora = winningLora(internalization)
  if (lora === null) return []
  const { answers } = await readSample(stores, internalization, lora)
  const open = answers.filter(({ isBad, recordId }) => isBad === null && recordId !== null)
  return ratingOrder(open).map(({ place }) => place)
}
