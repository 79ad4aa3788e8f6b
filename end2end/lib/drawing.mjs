// A person's mouse on a picture: places are parts of the stage's width and height.

export const stage = (me) => me.page.getByTestId('image');

export async function spot(me, x, y) {
  const box = await stage(me).boundingBox();
  return [box.x + box.width * x, box.y + box.height * y];
}

export async function drag(me, from, to) {
  await me.page.mouse.move(...await spot(me, ...from));
  await me.page.mouse.down();
  await me.page.mouse.move(...await spot(me, ...to), { steps: 5 });
  await me.page.mouse.up();
}
