/**
 * A template: the ordered messages of a recurring prompt, made of anchors (constant text), slots (short
 * variable text), examples (few-shot blocks) and the query. `detect.ts` finds templates, `match.ts`
 * recognizes their requests.
 */
export interface Anchor {
  kind: 'anchor'
  text: string
}

/** Short variable text that the application wrote. */
export interface Slot {
  kind: 'slot'
  name: string
  /** `enum`: one of `values` (at most 16); `short`: free text of bounded length */
  type: 'enum' | 'short'
  values?: string[]
  maxChars: number
  multiline: boolean
  /** false: the values do not help to predict the answer, so the slot is dropped like an anchor */
  kept: boolean
  /** of a dropped slot: the shapes that its values may have (`shape.ts`), sorted; without one it matches nothing */
  shapes?: string[]
  /** for keeping or dropping it; absent when a person wrote the template */
  test?: SlotTest
}

/** What the detector found of a slot: whether the answer depends on its value. */
export interface SlotTest {
  reason:
    'predicts-answer' | 'typed-value' | 'no-effect' | 'open-values' | 'user-text' | 'undecided'
  /** type of value that all samples have (date, uuid, …) */
  mask: string | null
  /** permutation p-value of "the answer does not depend on the value"; null without answers */
  probability: number | null
  distinct: number
  samples: number
  /** some of the values, cut */
  seen: string[]
}

/** How the example blocks of one place are divided into items (`example-items.ts`). */
export interface Division {
  /** label of the line at which an item begins; null: an item begins behind blank lines */
  start: string | null
  /** labels that say which lines an item has */
  labels: string[]
  /** labels of the lines of examples; an item of another form never becomes known */
  forms: string[]
  /** constant text of the block's first line before it, and of its last line behind it: part of its items */
  lead: string
  tail: string
}

/** The examples that may stand in a block. */
export interface ExamplePool {
  division: Division
  /** digests of the items, and of the white space around them (`example-items.ts`), sorted */
  known: string[]
  /** some of the items, cut */
  seen: string[]
  /** of the block, where it is read */
  maxChars: number
}

/**
 * Few-shot block that differs from request to request (retrieved examples); always removed. As messages of
 * their own, examples are whole messages: a question of the user and the answer behind it.
 */
export interface Examples {
  kind: 'examples'
  name: string
  /** of a block inside a message; messages have `knownPairs` */
  pool?: ExamplePool
}

/** Text of the end user: always kept, never changed. */
export interface Query {
  kind: 'query'
}

export type Segment = Anchor | Slot | Examples | Query

export interface TemplateMessage {
  role: string
  segments: Segment[]
}

export interface TemplateKey {
  tenant: string
  model: string
  /** digest of `tools` and `tool_choice`, '' when the request has none */
  tools: string
  /** digest of `response_format`, '' when the request has none */
  responseFormat: string
}

/** What a request must share with a template, besides its text. */
export interface RequestKey extends TemplateKey {
  /** id of the issued key that it was sent with; absent where callers have none */
  caller?: string | undefined
}

/** Longest label that a person may give a template, UTF-16 units. */
export const MAX_LABEL_CHARS = 60

export interface Template extends TemplateKey {
  /** 32 hex digits: of the key and the ordered anchors, and the last ones of the caller (`version.ts`) */
  version: string
  messages: TemplateMessage[]
  /**
   * Messages that may follow the template's own in later turns of a conversation; 0 for single exchanges.
   * Requests with more go to the upstream.
   */
  maxTurnsAfter: number
  /** of examples that are messages: digests of the pairs that may stand there, sorted (`example-pairs.ts`) */
  knownPairs?: string[]
  /** some of these pairs, cut */
  seenPairs?: string[]
  /**
   * Issued key whose requests the template was made of, where no other caller had a part in them. It matches no
   * other caller's: how one caller is answered decides the answers of no other one.
   */
  caller?: string
  /** version of the template of another model that a person has moved to this one (`version.ts`) */
  movedFrom?: string
  /** those that were moved to it before, such as the same prompt of two models */
  movedBefore?: string[]
}

/** A message behind the template's own. */
export interface LaterMessage {
  role: string
  content: string
  /** of a user's message that is results of functions (`chat-reading.ts`), not the user's own words */
  isResult?: true
}

/** A request that a template recognizes, taken apart. */
export interface Match {
  template: Template
  /** slot name → value, every slot of the template */
  slots: Record<string, string>
  /** examples name → text */
  examples: Record<string, string>
  query: string
  /** messages after the template's own, as sent: assistant and user alternate */
  turns: LaterMessage[]
}

/** The text that each of its requests has, a line for each piece. */
export const anchorText = ({ messages }: Pick<Template, 'messages'>): string =>
  messages
    .flatMap(({ segments }) =>
      segments.flatMap((segment) => (segment.kind === 'anchor' ? segment.text : []))
    )
    .join('\n')

/** In the template's order. */
export const slotsOf = ({ messages }: Pick<Template, 'messages'>): Slot[] =>
  messages.flatMap(({ segments }) => segments.filter((segment) => segment.kind === 'slot'))

/** The kept slots of a request with their values, in the template's order. */
export const keptSlots = ({ template, slots }: Match): { slot: Slot; value: string }[] =>
  slotsOf(template)
    .filter(({ kept }) => kept)
    .map((slot) => ({ slot, value: slots[slot.name] ?? '' }))
