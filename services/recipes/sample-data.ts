import { createHash } from 'node:crypto';
import type { SampleRow } from '../sample-data/row.js';
import { dayOf, days } from '../sample-data/times.js';
import type { ServiceSample } from '../sample-data/types.js';

const INGREDIENTS = 'recipes.ingredients';
const RECIPES = 'recipes.recipes';
const STEPS = 'recipes.recipe_steps';
const PHOTOS = 'recipes.recipe_step_photos';

const UNITS = ['kg', 'g', 'l', 'ml', 'piece'];
const ALLERGENS = ['gluten', 'egg', 'milk', 'nuts', 'peanut', 'sesame', 'soy', 'sulphite'];
const STEP_TEXTS = [
  ...['Weigh all ingredients', 'Mix flour and water, rest', 'Knead until smooth', 'Fold every 30 minutes'],
  ...['Prove at room temperature', 'Shape', 'Score and steam', 'Bake until golden', 'Cool on a rack'],
];

/** A photo's step, and the step's recipe. */
function stepOfPhoto(row: SampleRow, photo: number): { recipe: string; step: number } {
  const step = row.tenant.parentOf(PHOTOS, photo, STEPS);
  return {
    recipe: row.idOf(RECIPES, row.tenant.parentOf(STEPS, step, RECIPES)),
    step: row.tenant.siblingOf(STEPS, step, RECIPES) + 1,
  };
}

export const recipes: ServiceSample = {
  service: 'recipes',
  tables: [
    {
      name: INGREDIENTS,
      size: { share: 1.2, atMost: 800 },
      columns: {
        id: (row) => row.id,
        tenant_id: (row) => row.tenantId,
        product_id: (row) => row.unlessEvery(4, () => row.productId),
        name: (row) => {
          const { ingredients } = row.pools;
          const name = ingredients[row.index % ingredients.length];
          return row.index < ingredients.length ? (name ?? '') : `${name} (${row.index})`;
        },
        unit: (row) => row.pick(UNITS),
        cost_per_unit: (row) => row.decimal(0.2, 22, 4),
        allergens: (row) => row.some(ALLERGENS, 2),
        nutrition: (row) => row.unlessEvery(3, () => `{"kcal": ${row.int(0, 900)}}`),
        is_organic: (row) => row.chance(0.3),
      },
    },
    {
      name: RECIPES,
      // Two at least: a recipe is not part of itself.
      size: { share: 1, atLeast: 2, atMost: 5_000 },
      columns: {
        id: (row) => row.id,
        tenant_id: (row) => row.tenantId,
        based_on_id: (row) => row.above(),
        name: (row) => row.productAt(row.index).name,
        version: (row) => row.index + 1,
        difficulty: (row) => row.pick(['easy', 'moderate', 'demanding']),
        yield_quantity: (row) => row.decimal(1, 120, 3),
        yield_unit: (row) => row.pick(UNITS),
        preparation_time: (row) => `${row.int(10, 240)} minutes`,
        baking_time: (row) => `${row.int(8, 70)} minutes`,
        oven_temperature: (row) => row.unlessEvery(4, () => `[${row.int(160, 200)},${row.int(201, 260)}]`),
        season: (row) => row.unlessEvery(2, () => `[${dayOf(row.time)},${dayOf(row.time + days(60))})`),
        tags: (row) => row.some(['vegan', 'sourdough', 'christmas', 'gluten-free'], 3),
        is_published: (row) => row.chance(0.8),
        created_by: (row) => row.userId(),
        created_at: (row) => new Date(row.time),
        updated_at: (row) => new Date(row.time + days(row.int(0, 40))),
      },
    },
    {
      name: 'recipes.recipe_ingredients',
      size: { share: 6 },
      columns: {
        recipe_id: (row) => row.parentId(RECIPES),
        position: (row) => row.sibling(RECIPES) + 1,
        ingredient_id: (row) => row.anyOf(INGREDIENTS),
        quantity: (row) => row.decimal(0.01, 30, 4),
        unit: (row) => row.pick(UNITS),
        bakersPercent: (row) => row.unlessEvery(3, () => row.decimal(0.5, 100, 2)),
        is_optional: (row) => row.chance(0.1),
        notes: (row) => (row.chance(0.2) ? row.pick(row.pools.remarks) : null),
      },
    },
    {
      name: 'recipes.recipe_sub_recipes',
      // Made of recipes that came before: so there is no circle.
      size: { share: 0.7, atMost: (rowsOf) => rowsOf(RECIPES) - 1 },
      columns: {
        recipe_id: (row) => row.idOf(RECIPES, row.index + 1),
        sub_recipe_id: (row) => row.idOf(RECIPES, row.int(0, row.index)),
        quantity: (row) => row.decimal(0.1, 5, 4),
        purpose: (row) => row.unlessEvery(3, () => row.pick(['filling', 'glaze', 'pre-dough', 'topping'])),
      },
    },
    {
      name: STEPS,
      size: { share: 5 },
      columns: {
        recipe_id: (row) => row.parentId(RECIPES),
        step_number: (row) => row.sibling(RECIPES) + 1,
        instruction: (row) => row.pick(STEP_TEXTS),
        duration: (row) => row.unlessEvery(4, () => `${row.int(1, 180)} minutes`),
        temperature: (row) => row.unlessEvery(2, () => row.int(4, 260)),
        equipment: (row) => row.some(['mixer', 'scale', 'oven', 'proofer', 'banneton'], 3),
      },
    },
    {
      name: PHOTOS,
      size: { share: 2 },
      columns: {
        recipe_id: (row) => stepOfPhoto(row, row.index).recipe,
        step_number: (row) => stepOfPhoto(row, row.index).step,
        position: (row) => row.sibling(STEPS) + 1,
        mediaType: (row) => row.pick(['image/jpeg', 'image/webp']),
        caption: (row) => row.unlessEvery(3, () => row.pick(STEP_TEXTS)),
        content: (row) => row.bytes(row.int(60, 240)),
        taken_at: (row) => row.unlessEvery(3, () => new Date(row.time)),
      },
    },
    {
      name: 'recipes.photo_annotations',
      size: { share: 1.5 },
      columns: {
        recipe_id: (row) => stepOfPhoto(row, row.parent(PHOTOS)).recipe,
        step_number: (row) => stepOfPhoto(row, row.parent(PHOTOS)).step,
        position: (row) => row.tenant.siblingOf(PHOTOS, row.parent(PHOTOS), STEPS) + 1,
        left_share: (row) => row.decimal(0, 1, 4),
        top_share: (row) => row.decimal(0, 1, 4),
        text: (row) => row.pick(row.pools.remarks),
        written_by: (row) => row.userId(),
      },
    },
    {
      name: 'recipes.recipe_versions',
      size: { share: 2 },
      columns: {
        recipe_id: (row) => row.parentId(RECIPES),
        version: (row) => row.sibling(RECIPES) + 1,
        document: (row) =>
          `{"yield": ${row.int(1, 60)}, "by": ${JSON.stringify(row.pick(row.pools.people))}}`,
        digest: (row) => createHash('sha256').update(row.id).digest(),
        changed_by: (row) => row.userId(),
        changed_at: (row) => new Date(row.time),
      },
    },
  ],
};
