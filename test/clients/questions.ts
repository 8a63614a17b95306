/** Inputs that the tests of several clients share. */

/** One black pixel. */
const PIXEL =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='

export const IMAGE_URL = `data:image/png;base64,${PIXEL}`

/** A function in the format of chat completions. */
const WEATHER = {
  type: 'function' as const,
  function: {
    name: 'weather',
    description: 'The weather of a city',
    parameters: {
      type: 'object',
      properties: { city: { type: 'string' }, days: { type: 'integer' } },
      required: ['city', 'days'],
    },
  },
}

const TIME = {
  type: 'function' as const,
  function: { name: 'time', parameters: { type: 'object', properties: {} } },
}

export const TOOLS = [WEATHER, TIME]
