/** Realistic values, drawn once: asking for each cell anew would take longer than loading the rows. */
import { base, en, es, Faker } from '@faker-js/faker';
import { seedNumber } from './random.js';
import { TODAY } from './times.js';

export interface Product {
  readonly name: string;
  readonly sku: string;
  /** In euros. */
  readonly price: number;
  readonly category: string;
}

export interface Pools {
  readonly people: readonly string[];
  readonly bakeries: readonly string[];
  readonly suppliers: readonly string[];
  readonly products: readonly Product[];
  readonly ingredients: readonly string[];
  readonly streets: readonly string[];
  readonly phones: readonly string[];
  readonly ibans: readonly string[];
  readonly remarks: readonly string[];
  readonly ipAddresses: readonly string[];
  readonly hosts: readonly string[];
  readonly latitudes: readonly string[];
  readonly longitudes: readonly string[];
}

export const CATEGORIES = ['Bread', 'Rolls', 'Pastry', 'Cakes', 'Savoury', 'Biscuits', 'Drinks'] as const;

const BAKED: Readonly<Record<(typeof CATEGORIES)[number], readonly string[]>> = {
  Bread: ['sourdough loaf', 'baguette', 'ciabatta', 'rye bread', 'focaccia', 'country loaf'],
  Rolls: ['roll', 'bagel', 'brioche bun', 'pretzel', 'mollete'],
  Pastry: ['croissant', 'ensaimada', 'danish', 'palmier', 'napolitana', 'puff triangle'],
  Cakes: ['tart', 'cheesecake', 'sponge cake', 'Santiago cake', 'birthday cake'],
  Savoury: ['empanada', 'quiche', 'coca', 'pizza slice', 'sandwich'],
  Biscuits: ['cookies', 'macarons', 'polvorones', 'biscotti', 'shortbread'],
  Drinks: ['coffee', 'hot chocolate', 'orange juice', 'horchata', 'tea'],
};
const DOUGHS = [
  'Wholemeal',
  'Classic',
  'Rustic',
  'Spelt',
  'Butter',
  'Seeded',
  'Organic',
  'Mini',
  'Grandma’s',
];
const INGREDIENTS = [
  ...['wheat flour T55', 'wheat flour T80', 'rye flour', 'spelt flour', 'durum semolina', 'sea salt'],
  ...['fresh yeast', 'sourdough starter', 'butter 82 %', 'olive oil', 'whole milk', 'cream 35 %', 'eggs M'],
  ...['cane sugar', 'honey', 'dark chocolate 70 %', 'almonds', 'walnuts', 'sesame', 'sunflower seeds'],
  ...['apricot jam', 'vanilla', 'cinnamon', 'lemon zest', 'raisins', 'fresh cheese', 'serrano ham'],
];
const REMARKS = [
  ...[
    'Crust darker than usual',
    'Delivered late, accepted',
    'Customer asked for sliced bread',
    'Oven 2 was down',
  ],
  ...['Sold out before noon', 'Rainy day, fewer people', 'Local fair next door', 'Checked twice\tby weight'],
  ...[
    'Bag torn, 2 kg lost',
    'Price agreed by phone',
    'Bring it to the back door',
    'Paid at the counter\nafter closing',
  ],
  ...[
    'Flour from a new mill',
    'Dough rested too long',
    'Nothing unusual',
    'Label printed anew \\ old one void',
  ],
];

/** The same seed draws the same values. */
export function drawPools(seed: string): Pools {
  const faker = new Faker({ locale: [es, en, base], seed: seedNumber(seed) });
  faker.setDefaultRefDate(new Date(TODAY));
  const many = <T>(count: number, draw: () => T) => Array.from({ length: count }, draw);
  return {
    people: many(300, () => faker.person.fullName()),
    bakeries: many(120, () => bakeryName(faker)),
    suppliers: many(80, () => faker.company.name()),
    products: many(160, (): Product => product(faker)),
    ingredients: [...new Set([...INGREDIENTS, ...many(40, () => faker.food.ingredient())])],
    streets: many(
      120,
      () => `${faker.location.streetAddress()}, ${faker.location.zipCode()} ${faker.location.city()}`,
    ),
    phones: many(120, () => faker.phone.number()),
    ibans: many(60, () => faker.finance.iban()),
    remarks: REMARKS,
    ipAddresses: many(80, () => faker.internet.ipv4({ network: 'private-a' })),
    hosts: many(40, () => `${faker.internet.domainWord()}.example`),
    latitudes: many(60, () => faker.location.latitude({ min: 36, max: 43.5, precision: 6 }).toFixed(6)),
    longitudes: many(60, () => faker.location.longitude({ min: -8.5, max: 3, precision: 6 }).toFixed(6)),
  };
}

function bakeryName(faker: Faker): string {
  const first = faker.helpers.arrayElement(['Panadería', 'Horno', 'Forn', 'Obrador', 'Bakery', 'Pastelería']);
  return `${first} ${faker.person.lastName()}`;
}

function product(faker: Faker): Product {
  const category = faker.helpers.arrayElement(CATEGORIES);
  const dough = faker.helpers.arrayElement(DOUGHS);
  const filling = faker.helpers.maybe(() => ` with ${faker.helpers.arrayElement(INGREDIENTS)}`, {
    probability: 0.5,
  });
  return {
    name: `${dough} ${faker.helpers.arrayElement(BAKED[category])}${filling ?? ''}`,
    sku: `${category.slice(0, 2).toUpperCase()}-${faker.string.numeric(5)}`,
    price: faker.number.float({ min: 0.6, max: 28, multipleOf: 0.05 }),
    category,
  };
}
