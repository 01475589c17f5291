from django.urls import path

from advisor.views.home import home

urlpatterns = [path("", home, name="home")]
