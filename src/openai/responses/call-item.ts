import type { Fields } from '../fields.ts'

/** A call of a function as a chat completion has it. @param item of type `function_call` */
export const chatCallOf = ({ call_id: id, name, arguments: text }: Fields): Fields => ({
  id,
  type: 'function',
  function: { name, arguments: text },
})
