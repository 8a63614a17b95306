/** The house that the front desk is of: its rooms, prices and people, the system prompt, and ten functions. */

export const FIRST =
  'Ada Bela Chen Dora Emil Femi Goran Hana Ines Jonas Kira Liam Mona Nuri Olga Pavel'.split(' ')
export const LAST =
  'Abel Brandt Castro Dvorak Eklund Fischer Grimm Hauge Ito Jansen Kovac Lund Moreau Novak'.split(
    ' '
  )
export const ROOMS = 'Birch Cedar Elm Hazel Larch Maple Rowan Willow'.split(' ')
export const DAYS = 'Monday Tuesday Wednesday Thursday Friday'.split(' ')
export const DEVICES = 'projector lamp heater screen microphone'.split(' ')
export const ITEMS = 'cable speaker laptop adapter easel'.split(' ')
export const PLANS = 'day team night'.split(' ')
export const HOURS: Record<string, string> = {
  Monday: '7 to 21',
  Tuesday: '7 to 21',
  Wednesday: '8 to 20',
  Thursday: '8 to 22',
  Friday: '7 to 18',
}
export const NEWS = [
  'the parcel is here',
  'the meeting is off',
  'please call back',
  'the keys are at the desk',
  'the taxi waits outside',
]

export const PROMPT = `You are the front desk of Linden House, a house of rented rooms. You work with functions and you never guess.

Rules
- Before you do anything for a member, look the member up with find_member. Use the number that it returns, not the name.
- Before you book a room, ask find_room for one on the floor and with the seats that the member wants. Book the room that it returns.
- Call one function at a time. The only exception: if several devices of a room are broken, report all of them at once, in the order in which they were named.
- A fault is urgent only if the person says so.
- Never cancel, move or book anything that nobody asked for. Never order coffee unless coffee was asked for; then order one cup for each seat, at the hour of the booking.
- If somebody asks for our hours, answer from the list below without any function.
- When the work is done, say what was done in one short sentence, with the names and numbers that the functions returned. Add nothing else.

Hours
${Object.entries(HOURS)
  .map(([day, hours]) => `- ${day}: ${hours}`)
  .join('\n')}
- Saturday and Sunday: closed

The house
- Floor 1: Birch, Cedar, Elm. Floor 2: Hazel, Larch. Floor 3: Maple, Rowan, Willow.
- Members have one of three plans: day, team, night. The plan does not matter for bookings.
- Badges are valid for one to nine days. Equipment comes back on the same day.`

type Schema = Record<string, unknown>
const text: Schema = { type: 'string' }
const whole = (minimum: number, maximum: number): Schema => ({
  type: 'integer',
  minimum,
  maximum,
})
const member = { type: 'string', description: 'The number that find_member returned.' }

const FUNCTIONS: [string, string, Record<string, Schema>][] = [
  ['find_member', 'Looks up a member by the full name.', { name: text }],
  ['find_room', 'A free room.', { floor: whole(1, 3), seats: whole(1, 20) }],
  [
    'book_room',
    'Books a room for an hour.',
    { room: { enum: ROOMS }, member, day: { enum: DAYS }, hour: whole(7, 21) },
  ],
  [
    'cancel_booking',
    'Cancels a booking.',
    { booking: text, notify: { type: 'boolean', description: 'Whether the guests are told.' } },
  ],
  [
    'move_booking',
    'Moves a booking to another hour of its day.',
    { booking: text, hour: whole(7, 21) },
  ],
  [
    'order_coffee',
    'Orders coffee to a room.',
    { room: { enum: ROOMS }, cups: whole(1, 20), hour: whole(7, 21) },
  ],
  [
    'report_fault',
    'Reports a broken device.',
    { room: { enum: ROOMS }, device: { enum: DEVICES }, urgent: { type: 'boolean' } },
  ],
  ['issue_badge', 'Issues a badge to a member.', { member, days: whole(1, 9) }],
  [
    'lend_equipment',
    'Lends equipment to a member.',
    { member, items: { type: 'array', items: { enum: ITEMS }, minItems: 1, maxItems: 3 } },
  ],
  ['leave_message', 'Leaves a message for a member.', { member, text }],
]

export const TOOLS = FUNCTIONS.map(([name, description, properties]) => ({
  type: 'function',
  function: {
    name,
    description,
    parameters: {
      type: 'object',
      properties,
      required: Object.keys(properties),
      additionalProperties: false,
    },
  },
}))
