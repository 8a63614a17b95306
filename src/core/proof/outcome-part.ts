/**
 * The outcome test as a proof file has it: the blocks, from which all of its figures can be computed again.
 * Whether the feedback was as the blocks say is not checked.
 */
import {
  blockFigures,
  isClosed,
  type BlockFigures,
  type OutcomeBlock,
  type SideSum,
  type OutcomeFigures,
} from '../outcomes/outcome-figures.ts'
import { check, type Check } from './check.ts'
import { differences } from './differences.ts'

export interface OutcomePart {
  /** of the feedback that the blocks were made of; figures of another one may differ */
  revision: number
  /** the first ones, in their order */
  blocks: OutcomeBlock[]
}

/** Further blocks are not listed. */
export const MAX_LISTED_BLOCKS = 50_000

/** Figures that were stored at a time, with the name of their check. */
export interface StoredOutcomes {
  name: string
  figures: OutcomeFigures
}

const isPossible = ({ conversations, bad }: SideSum): boolean => bad >= 0 && bad <= conversations

/** A block closes with the first conversation of its second side, so of one side it has one alone. */
const isBlock = (block: OutcomeBlock): boolean => {
  const { lora, audit } = block
  const fewest = Math.min(lora.conversations, audit.conversations)
  return isClosed(block) && fewest === 1 && isPossible(lora) && isPossible(audit)
}

const blocksCheck = ({ blocks }: OutcomePart): Check => {
  const wrong = blocks.filter((block) => !isBlock(block))
  return check(
    'feedback',
    wrong.length === 0,
    `${blocks.length} blocks of rated conversations follow the rule`,
    `${wrong.length} blocks of rated conversations do not follow the rule`
  )
}

const figuresCheck = (
  { blocks, revision }: OutcomePart,
  { name, figures }: StoredOutcomes,
  margin: number
): Check => {
  if (figures.blocks > MAX_LISTED_BLOCKS)
    return { name, holds: true, said: 'not computed: the file does not have all of its blocks' }
  const isSame = figures.revision === revision
  const { bad, interval, rollback, harm } = figures
  const stored: BlockFigures = { blocks: figures.blocks, bad, interval, margin: figures.margin, rollback, harm } // prettier-ignore
  const differing = differences(stored, blockFigures(blocks.slice(0, figures.blocks), margin))
  if (differing.length > 0 && !isSame)
    return { name, holds: true, said: 'not computed: feedback was changed or deleted since' }
  return check(
    name,
    differing.length === 0,
    `${figures.blocks} blocks of rated conversations give the same figures`,
    `the blocks of rated conversations give other figures: ${differing.join(', ')}`
  )
}

/** @param margin of the verdict */
export const outcomeChecks = (
  part: OutcomePart,
  stored: readonly StoredOutcomes[],
  margin: number
): Check[] => [blocksCheck(part), ...stored.map((one) => figuresCheck(part, one, margin))]
