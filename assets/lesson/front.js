// The place of the first scene on the front page: a component of Streamlit calls this with the scene's address.
export default function ({ parentElement, data }) {
  let here = true,
    leave = () => {};
  import(new URL(data, document.baseURI).href).then(({ default: take }) => {
    if (here) leave = take(parentElement.querySelector(".lesson-root"));
  });
  return () => {
    here = false;
    leave();
  };
}
