/**
 * Task folders: rows, prompt templates and their rendering into chat requests. The format is a
 * folder with `prefix.json`, `train.jsonl` and `valid.jsonl` or `test.jsonl`; nothing here knows a
 * task by name.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ChatMessage, ChatRequest } from '../../src/openai/chat.ts'

export interface TaskRow {
  query: string
  answer: string
  meta: {
    id: string
    slots?: Record<string, string>
    fewshot_ids?: string[]
    alt_answers?: string[]
  }
}

type MessageTemplate = { role: string; content: string } | { expand: 'fewshot_pairs' }

export interface TaskPrefix {
  messages: MessageTemplate[]
  fewshot?: {
    mode: 'static' | 'retrieved'
    ids?: string[]
    item?: string
    sep?: string
    user?: string
    assistant?: string
  }
  params?: Record<string, unknown>
}

export interface Task {
  prefix: TaskPrefix
  train: TaskRow[]
  byId: Map<string, TaskRow>
}

export const readRows = (path: string): TaskRow[] =>
  readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => JSON.parse(line) as TaskRow)

export const loadTask = (folder: string, prefixPath: string | undefined): Task => {
  const train = readRows(join(folder, 'train.jsonl'))
  return {
    prefix: JSON.parse(
      readFileSync(prefixPath ?? join(folder, 'prefix.json'), 'utf8')
    ) as TaskPrefix,
    train,
    byId: new Map(train.map((row) => [row.meta.id, row])),
  }
}

/** `{{query}}`, `{{answer}}`, `{{name}}` and `{{slot:name}}`, in one pass so that values stay as they are. */
const fill = (text: string, row: TaskRow, examples: string): string =>
  text.replaceAll(/\{\{(?:slot:)?(\w+)\}\}/g, (placeholder, name: string) => {
    if (name === 'query') return row.query
    if (name === 'answer') return row.answer
    if (name === 'examples') return examples
    return row.meta.slots?.[name] ?? placeholder
  })

const exampleRows = (task: Task, row: TaskRow): TaskRow[] => {
  const { fewshot } = task.prefix
  if (fewshot === undefined) return []
  const ids = fewshot.mode === 'static' ? fewshot.ids : row.meta.fewshot_ids
  return (ids ?? []).flatMap((id) => task.byId.get(id) ?? [])
}

const inlineExamples = (task: Task, row: TaskRow): string =>
  exampleRows(task, row)
    .map((example) => fill(task.prefix.fewshot?.item ?? '', example, ''))
    .join(task.prefix.fewshot?.sep ?? '\n')

const messagePairs = (task: Task, row: TaskRow): ChatMessage[] =>
  exampleRows(task, row).flatMap((example) => [
    { role: 'user', content: fill(task.prefix.fewshot?.user ?? '{{query}}', example, '') },
    {
      role: 'assistant',
      content: fill(task.prefix.fewshot?.assistant ?? '{{answer}}', example, ''),
    },
  ])

/** The request that the task's application would send for this row. */
export const renderRequest = (task: Task, row: TaskRow, model: string): ChatRequest => ({
  model,
  messages: task.prefix.messages.flatMap((message): ChatMessage[] =>
    'expand' in message
      ? messagePairs(task, row)
      : [{ role: message.role, content: fill(message.content, row, inlineExamples(task, row)) }]
  ),
  ...task.prefix.params,
})
