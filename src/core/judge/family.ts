/** Which models come from one maker, by their names. A judge prefers answers that are like its own. */

/** Beginnings of names, with what stands before the last `/` left out. */
const FAMILIES: readonly (readonly string[])[] = [
  ['gpt-', 'chatgpt-', 'o1', 'o3', 'o4', 'codex-', 'text-davinci'],
  ['claude-'],
  ['gemini-', 'gemma-'],
  ['llama-', 'meta-llama', 'muse-'],
  ['mistral-', 'mixtral-', 'ministral-', 'codestral-', 'magistral-', 'devstral-'],
  ['qwen', 'qwq'],
  ['deepseek-'],
  ['grok-'],
  ['command-'],
  ['phi-'],
  ['glm-', 'chatglm'],
  ['kimi-', 'moonshot-'],
  ['nova-', 'titan-'],
]

/** `openai/gpt-5-mini`, `accounts/x/models/qwen3-8b` and `ft:gpt-5-mini:acme` name a base model behind what is around it. */
const bareName = (model: string): string =>
  model.toLowerCase().replace(/^ft:/, '').replace(/^.*\//s, '')

/** A name for the maker: models of unknown makers are of one family if their names begin with the same letters. */
export const familyOf = (model: string): string => {
  const name = bareName(model)
  const known = FAMILIES.find((starts) => starts.some((start) => name.startsWith(start)))
  return known?.[0] ?? name.replace(/[^a-z].*/s, '')
}
