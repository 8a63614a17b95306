/** The words of the small world in which the tiny model grows up. */

const words = (text: string): string[] => text.trim().split(/\s+/)

export const ADJECTIVES = words(`
amber blue broad calm cedar clear cold coral crisp dark deep dry dusty early faint fast flat fresh
gold grand green grey heavy hollow icy iron ivory jade keen large late light long loud low lunar matte
mild misty narrow neat noble north oak olive open outer pale pearl pine plain plum prime proud quick
quiet rapid red rich ripe rose rough round royal ruby rusty salt sandy sharp short silent silver slim
slow small smoky smooth snowy soft solar south steel still stony strong sunny swift tall tame teal
thick tidy tiny urban vast velvet violet warm west white wide wild wise woven young`)

export const NOUNS = words(`
anchor apron axe badge bag ball band barrel basket bath bead bell belt bench bike blade blanket bolt
book boot bottle bowl box brick brush bucket button cable cage candle cap card cart chain chair chest
clock cloth coat coil comb cord cork crate crown cup curtain desk dish door drill drum fan fence file
flag flask fork frame gate gear glass globe glove glue guitar hammer handle harp hat helmet hook hose jar
jacket kettle key kite knife ladder lamp lantern latch lens lid lock loom map mask mat mirror mug nail
needle net oar oven paddle pan pedal pen pencil piano pillow pipe plate plough pot pump purse rack radio
rail rake ring robe rod roller rope ruler saddle sail saw scarf screen screw shelf shield shoe shovel
sieve sink skate sledge sofa spade spoon spring stamp stool stove strap table tape tent tile torch towel
toy tray trunk tub tyre vase vest violin wagon wallet watch wheel whistle window wire wrench`)

/** What people write to a desk about; each is answered with a queue. */
export const TOPICS = words(`
refund invoice password delivery address warranty discount subscription booking payment receipt login
contract shipment repair complaint training visa salary holiday parking network printer licence
feedback recall exchange deposit insurance transfer statement upgrade`)

export const ONSETS = words('b d f g k l m n p r s t v z br dr gr kr pl st tr')
export const VOWELS = words('a e i o u')

/** Names of table columns. */
export const FIELDS = words(
  'code shelf queue rate factor label group bin zone price team status colour grade'
)

export const UNITS = words('crate pallet bundle drum roll sack dozen gross carton bale reel case')
