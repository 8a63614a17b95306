/**
 * A request as a program sends it, to copy. The key is an environment variable. The address may be the one that a
 * client's `host` header gives, in which a host may have quotes and `$(…)`. Pure.
 */
import { shellWord } from '../../../core/shell-word.ts'
import { visibleText } from '../../../visible-text.ts'

const indented = (depth: number): string => '    '.repeat(depth)

/** JSON as Python writes it. */
const pythonOf = (value: unknown, depth = 0): string => {
  if (value === null || value === undefined) return 'None'
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  if (typeof value !== 'object') return JSON.stringify(value)
  const parts = Array.isArray(value)
    ? value.map((each) => pythonOf(each, depth + 1))
    : Object.entries(value).map(
        ([name, each]) => `${JSON.stringify(name)}: ${pythonOf(each, depth + 1)}`
      )
  const [open, close] = Array.isArray(value) ? '[]' : '{}'
  if (parts.length === 0) return `${open}${close}`
  const lines = parts.map((part) => `${indented(depth + 1)}${part},\n`).join('')
  return `${open}\n${lines}${indented(depth)}${close}`
}

export interface Snippet {
  name: string
  text: string
}

/** @param baseUrl of the API, with `/v1` */
export const snippetsOf = (baseUrl: string, request: object): Snippet[] => {
  // a terminal runs control characters that are pasted
  const json = visibleText(JSON.stringify(request, null, 2))
  return [
    {
      name: 'curl',
      // no line of indented JSON is the word that ends it
      text: `curl -sS ${shellWord(`${baseUrl}/chat/completions`)} \\
  -H "authorization: Bearer $OPENAI_API_KEY" \\
  -H 'content-type: application/json' \\
  --data-binary @- <<'END'
${json}
END
`,
    },
    {
      name: 'Node',
      text: `import OpenAI from 'openai'

// the key is in OPENAI_API_KEY
const client = new OpenAI({ baseURL: ${JSON.stringify(baseUrl)} })
const answer = await client.chat.completions.create(${json})
console.log(answer.choices[0].message.content)
`,
    },
    {
      name: 'Python',
      text: `from openai import OpenAI

# the key is in OPENAI_API_KEY
client = OpenAI(base_url=${JSON.stringify(baseUrl)})
answer = client.chat.completions.create(**${visibleText(pythonOf(request))})
print(answer.choices[0].message.content)
`,
    },
  ]
}
