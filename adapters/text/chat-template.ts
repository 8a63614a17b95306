/**
 * A model's chat template: messages to text. Knows nothing of token ids.
 *
 * Text of users never becomes a control token. Before rendering, a guard character that occurs nowhere
 * else is put into every control token inside a message. After rendering, the text is split at
 * control tokens, which only the template can have written, and the guard is removed. For messages
 * without control tokens, the ids equal those of the reference implementation.
 */
import { Template } from '@huggingface/jinja'
import { AppError } from '../../src/errors.ts'
import type { ChatMessage } from '../../src/openai/chat.ts'
import { contentOf } from '../../src/openai/message-text.ts'

export interface RenderOptions {
  addGenerationPrompt: boolean
  /** false leaves out the system block that some templates add when no system message is given */
  defaultSystem: boolean
}

/** Texts of the special tokens that templates may write, by their name in the template. */
export type TemplateTokens = Partial<
  Record<'bos_token' | 'eos_token' | 'unk_token' | 'pad_token', string>
>

interface PlainMessage {
  role: string
  content: string
}

/** Messages that reach a backend are checked: their contents are texts, and none calls a tool. */
const plainMessage = (message: ChatMessage): PlainMessage => ({
  role: message.role,
  content: contentOf(message),
})

const refused = (message: string, cause?: unknown): AppError =>
  new AppError('invalid-request', message, { cause, param: 'messages' })

/** The first private-use character that no text contains. */
const freeCharacter = (texts: string[]): string => {
  for (let code = 0xe000; code < 0xf900; code++) {
    const character = String.fromCharCode(code)
    if (!texts.some((text) => text.includes(character))) return character
  }
  throw refused('the messages contain every private-use character, of which one must be free')
}

/** Puts `guard` into every control token in `text`, until none is left (they may overlap). */
const breakUp = (text: string, controlTexts: readonly string[], guard: string): string => {
  const found = controlTexts.find((control) => text.includes(control))
  if (found === undefined) return text
  const first = String.fromCodePoint(found.codePointAt(0)!)
  return breakUp(
    text.replaceAll(found, first + guard + found.slice(first.length)),
    controlTexts,
    guard
  )
}

/** Replaces `strftime_now`: a prompt that changes with the date would differ from the trained one. */
const PINNED_DATE = '01 Jan 2026'
/**
 * Without it the templates of hybrid models (Qwen3, SmolLM3) leave the block of thoughts to the
 * answer: the open prompt would end before it, and the trained answer would contain it.
 */
const RENDERING = { enable_thinking: false }
const compile = (template: string): Template => {
  try {
    return new Template(template.replaceAll('strftime_now', 'pinned_date'))
  } catch (cause) {
    throw new AppError('invalid-model', `the chat template does not parse: ${String(cause)}`, {
      cause,
    })
  }
}

type RenderText = (messages: PlainMessage[], addGenerationPrompt: boolean) => string

interface DefaultSystem {
  head: string
  block: string
}

const NONE: DefaultSystem = { head: '', block: '' }
const SYSTEM_PROBE = 'Probe of a system message.'
const USER_PROBE = 'Probe of a user message.'

/**
 * Finds the system block that the template adds on its own: the text `block` after `head`, '' when it
 * adds none. Compares three renderings: a user message alone, the same after a system message (the
 * text around the probe), and the system message alone (the end of its block).
 */
const findDefaultSystem = (renderText: RenderText, bos: string): DefaultSystem => {
  const user = { role: 'user', content: USER_PROBE }
  const system = { role: 'system', content: SYSTEM_PROBE }
  let bare: string, both: string, alone: string
  try {
    bare = renderText([user], false)
    both = renderText([system, user], false)
    alone = renderText([system], false)
  } catch {
    return NONE // a template that wants a user message, or refuses system messages, adds none
  }
  const [before = '', after] = both.split(SYSTEM_PROBE)
  const [blockBefore, blockAfter] = alone.split(SYSTEM_PROBE)
  if (after === undefined || blockAfter === undefined || before !== blockBefore) return NONE
  if (!after.startsWith(blockAfter) || !bare.startsWith(before) || !bare.endsWith(after))
    return NONE
  const systemText = bare.slice(before.length, bare.length - after.length)
  const block = before + systemText + blockAfter
  // a token that also opens the next message (SmolLM2's bos is its <|im_start|>) belongs to the block
  const opensTurns = bare.startsWith(bos, block.length)
  const head = bos !== '' && block.startsWith(bos) && !opensTurns ? bos : ''
  return { head, block: block.slice(head.length) }
}

const OPENING_ROLES = new Set(['system', 'developer'])

type GuardedRender = (messages: PlainMessage[], options: RenderOptions, guard: string) => string

/** @throws AppError `invalid-model` for a template that does not parse */
const createGuardedRender = (
  template: string,
  tokens: TemplateTokens,
  controlTexts: readonly string[]
): GuardedRender => {
  const compiled = compile(template)
  const renderText: RenderText = (messages, addGenerationPrompt) => {
    try {
      return compiled.render({
        ...tokens,
        messages,
        add_generation_prompt: addGenerationPrompt,
        ...RENDERING,
        pinned_date: () => PINNED_DATE,
      })
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw refused(`the model's chat template refuses the messages: ${reason}`, cause)
    }
  }
  const { head, block } = findDefaultSystem(renderText, tokens.bos_token ?? '')
  return (messages, options, guard) => {
    const guarded = messages.map(({ role, content }) => ({
      role: breakUp(role, controlTexts, guard),
      content: breakUp(content, controlTexts, guard),
    }))
    const text = renderText(guarded, options.addGenerationPrompt)
    const keep = options.defaultSystem || OPENING_ROLES.has(messages[0]?.role ?? '')
    return keep || block === '' || !text.startsWith(head + block)
      ? text
      : head + text.slice(head.length + block.length)
  }
}

/**
 * Texts still have the guard character in them.
 * @param template Jinja source
 * @param tokens texts of `bos_token` and the other special tokens
 * @param controlTexts the control tokens, none empty, each longer than one character
 * @throws AppError `invalid-model` for a template that does not parse
 */
export const createChatTemplate = (
  template: string,
  tokens: TemplateTokens,
  controlTexts: readonly string[]
) => {
  const render = createGuardedRender(template, tokens, controlTexts)
  const guardFor = (messages: PlainMessage[]): string =>
    freeCharacter([template, ...messages.flatMap(({ role, content }) => [role, content])])

  return {
    /** @throws AppError `invalid-request` for messages that cannot be rendered */
    render: (messages: readonly ChatMessage[], options: RenderOptions) => {
      const plain = messages.map(plainMessage)
      const guard = guardFor(plain)
      return { text: render(plain, options, guard), guard }
    },
    /**
     * The open conversation as in serving, and the text that the template writes for the answer after
     * a question. Some templates change the messages before an answer: Mistral 0.3 writes the system
     * message into the last message only.
     * @throws AppError `invalid-request` when the template changes a question once it is answered
     */
    renderAnswered: (
      messages: readonly ChatMessage[],
      { defaultSystem }: Pick<RenderOptions, 'defaultSystem'>
    ) => {
      const plain = messages.map(plainMessage)
      if (plain.length < 2 || plain.at(-1)!.role !== 'assistant')
        throw refused('a training row needs a prompt and an assistant message at its end')
      const guard = guardFor(plain)
      const open = { defaultSystem, addGenerationPrompt: true }
      const question = { role: 'user', content: USER_PROBE }
      const asked = render([question], open, guard)
      const answered = render(
        [question, plain.at(-1)!],
        { defaultSystem, addGenerationPrompt: false },
        guard
      )
      if (!answered.startsWith(asked))
        throw refused(
          'the chat template renders an answered question differently from an open one, so training would not match serving'
        )
      const prompt = render(plain.slice(0, -1), open, guard)
      return { prompt, completion: answered.slice(asked.length), guard }
    },
  }
}
