/**
 * A name for a template that people recognize, made of its prompt: what the model is told to be or to do, and the
 * first proper name beside it, as in "routing step, Northwind Pay". Two templates may have one name: show the start
 * of the version with it. Pure.
 */
import type { Template } from './template.ts'

const MAX_CHARS = 48

/** Enough to tell the versions of a log apart, and as long as git's. */
const SHORT_ID_CHARS = 8

/** What begins the sentence that says whom the model plays, or what it does. */
const LEADS = [
  /\b(?:i want|i need|i'd like) you (?:to )?(?:act|behave|serve) (?:as|like) (?:an? |the )?/i,
  /\b(?:act|behave|serve|respond) (?:as|like) (?:an? |the )?/i,
  /\byou(?:'re| are) (?:an? |the )?/i,
  /\byour (?:task|job|role|goal) is (?:to )?(?:an? |the )?/i,
  /^you (?:will )?/i,
]

/** Where a noun phrase with its verb has said enough. */
const BREAK =
  /[,;:.!?](?=\s|$)|[()[\]{}"]|\s[–—-]\s|\s(?:that|which|who|whose|and you|built|used|where|so)\s|$/
/** Where it may be cut when a proper name stands for the rest. */
const JOINT = /\s(?:of|for|in|at|from|with|by|into|on|about)(?:\s|$)/

const PROPER_NAME = /(?<![.!?:]\s)(?<=\s)\p{Lu}[\p{L}\p{N}&'-]*(?:\s\p{Lu}[\p{L}\p{N}&'-]*)*/u

/** Two runs of asterisks never touch: tried at every length, they would take hours for a line of them. */
const isHeading = (line: string): boolean =>
  /^(?:#|\/\/|-{3,}|={3,}|\*{2,}(?:[^*]+\*{2,})?$|<)/.test(line)

/** A blank behind two letters. Looked for from every two letters, it would take hours in a line without one. */
const hasWords = (line: string): boolean => {
  const word = /\p{L}{2}/u.exec(line)
  return word !== null && /\s/.test(line.slice(word.index))
}

/** Lines of constant text, the system's first; a line with a slot in it is not one. */
const linesOf = ({ messages }: Template): string[] => {
  const text = messages
    .map(({ segments }) =>
      segments.map((segment) => (segment.kind === 'anchor' ? segment.text : '\0')).join('')
    )
    .join('\n')
  return text.split('\n').map((line) => line.trim())
}

const cut = (text: string): string => {
  if (text.length <= MAX_CHARS) return text
  const end = text.lastIndexOf(' ', MAX_CHARS - 1)
  return `${text.slice(0, end > MAX_CHARS / 2 ? end : MAX_CHARS - 1).trimEnd()}…`
}

const sentenceOf = (line: string): string => /^.*?[.!?](?=\s|$)/.exec(line)?.[0] ?? line

/** null: the line does not say whom the model plays. */
const roleIn = (line: string): string | null => {
  for (const lead of LEADS) {
    const found = lead.exec(line)
    if (found === null) continue
    const sentence = sentenceOf(line.slice(found.index + found[0].length))
    const phrase = sentence.slice(0, sentence.search(BREAK)).trim()
    if (!/\p{L}{2}/u.test(phrase) || phrase.includes('\0')) continue
    const name = PROPER_NAME.exec(sentence)?.[0].replace(/'s$/, '')
    const [head = phrase] = phrase.split(JOINT)
    // "expert" alone would be nobody
    const isEnough = /\s/.test(head)
    return cut(isEnough && name !== undefined && !head.includes(name) ? `${head}, ${name}` : phrase)
  }
  return null
}

/** @returns at most 48 characters; '' for a template whose prompt has no words */
export const promptName = (template: Template): string => {
  const lines = linesOf(template)
  for (const line of lines) {
    const role = roleIn(line)
    if (role !== null) return role
  }
  const sentences = lines.filter((line) => !isHeading(line)).map(sentenceOf)
  const first = sentences.find((text) => !text.includes('\0') && hasWords(text))
  return cut((first ?? '').replace(/[.:]$/, ''))
}

/** The start of an id, for people: commands, the page and the API take the start of an id for the id. */
export const shortId = (id: string): string => id.slice(0, SHORT_ID_CHARS)

/** The label that a person gave, else the prompt's name, else the start of the version. */
export const nameOf = (template: Template, label: string | null): string =>
  label ?? (promptName(template) || shortId(template.version))

/** @param labels that people gave, by version @returns what each template is known by (`nameOf`), by version */
export const namesOf = (
  templates: readonly Template[],
  labels: ReadonlyMap<string, string>
): Map<string, string> =>
  new Map(
    templates.map((template) => [
      template.version,
      nameOf(template, labels.get(template.version) ?? null),
    ])
  )
